# SPDX-License-Identifier: Apache-2.0
"""Places of an organisation, by code; a code that no law could meet is refused, for it would read as "not there".

Source: ISO 3166-1 (countries) and ISO 3166-2:US (states, district, territories). The Union, and New York City, which
has law of its own, stand beside them.
"""

from __future__ import annotations

import re
from typing import Final

from proofhouse.law.errors import FactRefused

_SHAPE = re.compile(r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")
_HELP = "write ISO 3166-2 codes such as US-CA or DE-BY, US-NY-NYC for New York City, EU for the Union"

COUNTRIES: Final = frozenset(
    code
    for row in (
        "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT",
        "BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH",
        "ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT",
        "HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS",
        "LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI",
        "NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG",
        "SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG",
        "UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW",
    )
    for code in row.split()
)
"""ISO 3166-1 alpha-2 codes."""

US_PARTS: Final = frozenset(
    code
    for row in (
        "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC",
        "ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR UM VI",
    )
    for code in row.split()
)
"""States, district and territories of the United States."""

CITIES: Final = frozenset({"US-NY-NYC"})

UNION: Final = frozenset(
    code
    for row in (
        "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE",
        "IT LV LT LU MT NL PL PT RO SK SI ES SE",
    )
    for code in row.split()
)
"""Member states of the European Union."""


def read_places(name: str, told: list[str]) -> list[str]:
    """Check places and add those that contain them: New York City lies in New York, Bavaria in the Union.

    Args:
        name: the fact that they fill, for the message.
        told: codes as written.

    Returns:
        The places told, in their order, then those that contain them.

    Raises:
        FactRefused: a code that is none.
    """
    for place in told:
        if not _known(place):
            raise FactRefused(name, f"{place!r} is no place that is known here; {_HELP}")
    found = dict.fromkeys(told)
    for place in told:
        parts = place.split("-")
        found.update(dict.fromkeys("-".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)))
        if parts[0] in UNION:
            found["EU"] = None
    return list(found)


def require_states(name: str, places: list[str]) -> None:
    """Check that an organisation in the United States says in which states.

    Raises:
        FactRefused: it does not; every state's law would read as *does not appear to apply*.
    """
    if "US" in places and not any(place.startswith("US-") for place in places):
        raise FactRefused(
            name, "'US' alone would hide the law of every state; name the states, such as US-CA"
        )


def _known(place: str) -> bool:
    if place == "EU" or place in CITIES:
        return True
    if not _SHAPE.match(place):
        return False
    country, _, part = place.partition("-")
    return country in COUNTRIES and (country != "US" or not part or part in US_PARTS)
