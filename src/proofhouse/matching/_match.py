# SPDX-License-Identifier: Apache-2.0
"""Is this component one of those that the advisory means? Yes, no, or unknown.

*No* needs a proof: another product, or a version that can be compared and lies outside. Whatever is missing,
unreadable or ambiguous gives *unknown* (DESIGN §4 rule 6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from packageurl import PackageURL

from proofhouse.formats import Component, Sbom
from proofhouse.matching._affected import Affected, parse_purl
from proofhouse.matching._releases import release, release_in_version
from proofhouse.matching._versions import Version, parse, scheme_of


class Answer(StrEnum):
    """Whether a component is affected."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why an answer is what it is."""

    LISTED = "listed"
    IN_RANGE = "in-range"
    OUTSIDE = "outside"
    OTHER_PRODUCT = "other-product"
    NO_VERSION = "no-version"
    UNUSABLE_VERSION = "unusable-version"
    UNKNOWN_SCHEME = "unknown-scheme"
    UNUSABLE_RANGE = "unusable-range"
    EPOCH_DOUBT = "epoch-doubt"
    NO_PURL = "no-purl"
    BAD_PURL = "bad-purl"
    OTHER_PACKAGER = "other-packager"
    OTHER_RELEASE = "other-release"
    NO_RELEASE = "no-release"


_ANSWERS: Mapping[Reason, Answer] = {
    Reason.LISTED: Answer.YES,
    Reason.IN_RANGE: Answer.YES,
    Reason.OUTSIDE: Answer.NO,
    Reason.OTHER_PRODUCT: Answer.NO,
}

_WORDS: Mapping[Reason, str] = {
    Reason.LISTED: "{component} is affected: the advisory lists this version.",
    Reason.IN_RANGE: "{component} is affected: the version lies in the affected range ({range}).",
    Reason.OUTSIDE: "{component} is not affected: the version lies outside the affected range ({range}).",
    Reason.OTHER_PRODUCT: "{component} is another product than {product}.",
    Reason.NO_VERSION: "{component} may be affected: the SBOM gives no version. Ask the supplier for it.",
    Reason.UNUSABLE_VERSION: "{component} may be affected: its version cannot be compared. Ask the supplier "
    "which published version it is built from.",
    Reason.UNKNOWN_SCHEME: "{component} may be affected: no rule is known for ordering its versions.",
    Reason.UNUSABLE_RANGE: "{component} may be affected: the advisory gives no versions to compare with.",
    Reason.EPOCH_DOUBT: "{component} may be affected: its version and the advisory's differ in the epoch, "
    "and one of them may have lost it.",
    Reason.NO_PURL: "{component} may be affected: it has the name of {product}, but no package URL says "
    "that it is the same.",
    Reason.BAD_PURL: "{component} may be affected: its package URL cannot be read.",
    Reason.OTHER_PACKAGER: "{component} may be affected: it has the name of {product} but comes from another "
    "packager, of whom the advisory does not speak.",
    Reason.OTHER_RELEASE: "{component} may be affected: it belongs to another release than {product}, of "
    "which the advisory does not speak.",
    Reason.NO_RELEASE: "{component} may be affected: its package URL does not say which release it is of.",
}

# When several entries of an advisory speak of a component, the strongest word counts. A comparison that
# failed outweighs a "no" of another entry; a "no" outweighs entries about other releases and packagers.
_STRENGTH: Sequence[frozenset[Reason]] = (
    frozenset({Reason.LISTED, Reason.IN_RANGE}),
    frozenset(
        {
            Reason.NO_VERSION,
            Reason.UNUSABLE_VERSION,
            Reason.UNKNOWN_SCHEME,
            Reason.UNUSABLE_RANGE,
            Reason.EPOCH_DOUBT,
            Reason.NO_RELEASE,
            Reason.NO_PURL,
            Reason.BAD_PURL,
        }
    ),
    frozenset({Reason.OUTSIDE}),
    frozenset({Reason.OTHER_RELEASE, Reason.OTHER_PACKAGER}),
    frozenset({Reason.OTHER_PRODUCT}),
)

# Package types whose names come from upstream: the same name is likely the same code, built by someone else.
_PACKAGERS = frozenset(
    {"alpm", "apk", "bitnami", "brew", "conan", "conda", "deb", "generic", "github", "rpm"}
)
_DISTRIBUTIONS = frozenset({"alpm", "apk", "deb", "rpm"})


@dataclass(frozen=True)
class Match:
    """An answer with its reason and what it rests on."""

    reason: Reason
    evidence: Mapping[str, str] = field(default_factory=dict)
    """``component``, ``product``, and as far as known ``version``, ``range``, ``scheme``, ``fixed``."""

    @property
    def answer(self) -> Answer:
        """Yes, no or unknown."""
        return _ANSWERS.get(self.reason, Answer.UNKNOWN)

    @property
    def explanation(self) -> str:
        """The answer in one or two sentences for people."""
        return _WORDS[self.reason].format_map({"range": "none given", **self.evidence})


@dataclass(frozen=True)
class _Package:
    """The component as far as it names the affected package: its purl and the version to compare."""

    purl: PackageURL
    version: str


def _label(name: str, version: str) -> str:
    return f"{name} {version}" if version else name


def _qualifier(purl: PackageURL, name: str) -> str:
    return str(purl.qualifiers.get(name, "")) if isinstance(purl.qualifiers, dict) else ""


def _same(left: str | None, right: str | None) -> bool:
    return (left or "").casefold() == (right or "").casefold()


def _names(component: Component) -> set[str]:
    full = {component.name.casefold()}
    if component.group:
        full |= {f"{component.group}{mark}{component.name}".casefold() for mark in "/:"}
    return full


def _by_name(component: Component, affected: Affected, reason: Reason) -> Reason:
    """Without a usable purl only the name is left, and a name proves nothing."""
    known = {affected.name.casefold()} | ({affected.purl.name.casefold()} if affected.purl else set())
    return reason if known & _names(component) else Reason.OTHER_PRODUCT


def _identify(component: Component, purl: PackageURL, affected: Affected) -> _Package | Reason:
    """The component as the affected package, or the reason why it is not (surely) it."""
    wanted = affected.purl
    if wanted is None:
        same = {affected.name.casefold()} & (_names(component) | {purl.name.casefold()})
        return Reason.OTHER_PACKAGER if same else Reason.OTHER_PRODUCT
    name, version = purl.name, purl.version or component.version
    upstream, _, source_version = _qualifier(purl, "upstream").partition("@")
    if not _same(name, wanted.name) and purl.type in _DISTRIBUTIONS and _same(upstream, wanted.name):
        name, version = upstream, source_version or version
    if not _same(name, wanted.name):
        return Reason.OTHER_PRODUCT
    if purl.type != wanted.type:
        both = purl.type in _PACKAGERS and wanted.type in _PACKAGERS
        return Reason.OTHER_PACKAGER if both else Reason.OTHER_PRODUCT
    if not _same(purl.namespace, wanted.namespace):
        missing = not (purl.namespace and wanted.namespace) and purl.type != "npm"
        return Reason.OTHER_PACKAGER if missing or purl.type in _PACKAGERS else Reason.OTHER_PRODUCT
    if (
        purl.type == "rpm"
        and version
        and ":" not in version
        and (epoch := _qualifier(purl, "epoch")).isdigit()
    ):
        version = f"{epoch}:{version}"
    return _Package(purl, version)


def _release_doubt(package: _Package, affected: Affected) -> Reason | None:
    """Whether the entry speaks of the component's release of the distribution."""
    distribution = (package.purl.namespace or "").lower()
    wanted = affected.release_text
    if package.purl.type not in _DISTRIBUTIONS or not wanted:
        return None
    named = _qualifier(package.purl, "distro")
    own = release(distribution, named) if named else release_in_version(distribution, package.version)
    meant = release(distribution, wanted)
    if own is None or meant is None:
        return None if named and _same(named, wanted) else Reason.NO_RELEASE
    return None if own == meant else Reason.OTHER_RELEASE


def _is_listed(version: str, parsed: Version | None, affected: Affected) -> bool:
    if version in affected.versions:
        return True
    if parsed is None:
        return False
    listed = (parse(one, parsed.scheme) for one in affected.versions)
    return any(one is not None and one.equals(parsed) for one in listed)


def _in_ranges(version: Version, affected: Affected) -> Reason:
    answers = [one.contains(version) for one in affected.ranges]
    if True in answers:
        return Reason.IN_RANGE
    if None in answers:
        return Reason.UNUSABLE_RANGE
    bounds = [parse(bound, version.scheme) for one in affected.ranges for bound in one.versions]
    if any(bound is not None and bound.text != "0" and bound.epoch != version.epoch for bound in bounds):
        bare = version.without_epoch()
        if any(one.without_epochs().contains(bare) is not False for one in affected.ranges):
            return Reason.EPOCH_DOUBT
    if affected.ranges:
        return Reason.OUTSIDE
    readable = affected.versions and all(parse(one, version.scheme) for one in affected.versions)
    return Reason.OUTSIDE if readable else Reason.UNUSABLE_RANGE


def _compare(package: _Package, affected: Affected) -> Reason:
    if not package.version:
        return Reason.NO_VERSION
    scheme = scheme_of(package.purl.type)
    parsed = parse(package.version, scheme) if scheme else None
    doubt = _release_doubt(package, affected)
    if doubt is not Reason.OTHER_RELEASE and _is_listed(package.version, parsed, affected):
        return Reason.LISTED
    if doubt is not None:
        return doubt
    if scheme is None:
        return Reason.UNKNOWN_SCHEME
    if parsed is None:
        return Reason.UNUSABLE_VERSION
    return _in_ranges(parsed, affected)


def match(component: Component, affected: Affected) -> Match:
    """Ask whether one component is an affected version of one package.

    Args:
        component: From an SBOM. Its package URL's version counts; the version field only where that has none.
        affected: From an advisory.

    Returns:
        The answer with its reason. Never raises, whatever the strings are.
    """
    purl = parse_purl(component.purl) if component.purl else None
    version = (purl.version if purl else None) or component.version
    evidence = {
        "component": _label(component.name, version),
        "product": _label(affected.name, affected.ecosystem and f"({affected.ecosystem})"),
        "version": version,
    }
    if affected.ranges or affected.versions:
        parts = [one.describe() for one in affected.ranges]
        if affected.versions:
            parts.append(f"{len(affected.versions)} listed versions")
        evidence["range"] = "; ".join(parts)
    if affected.fixed:
        evidence["fixed"] = ", ".join(dict.fromkeys(affected.fixed))
    if component.purl:
        evidence["purl"] = component.purl
    if purl is None:
        reason = Reason.BAD_PURL if component.purl else Reason.NO_PURL
        return Match(_by_name(component, affected, reason), evidence)
    package = _identify(component, purl, affected)
    return Match(package if isinstance(package, Reason) else _compare(package, affected), evidence)


@dataclass(frozen=True)
class ComponentMatch:
    """A component with the strongest answer that an advisory gives for it."""

    component: Component
    match: Match


@dataclass(frozen=True)
class SbomMatch:
    """What an advisory means for one SBOM."""

    matches: tuple[ComponentMatch, ...]
    """One for each component, in the order of the SBOM; the described product itself comes first."""

    def having(self, answer: Answer) -> tuple[ComponentMatch, ...]:
        """The components with one answer."""
        return tuple(one for one in self.matches if one.match.answer is answer)

    @property
    def affected(self) -> tuple[ComponentMatch, ...]:
        """Components that are affected."""
        return self.having(Answer.YES)

    @property
    def unknown(self) -> tuple[ComponentMatch, ...]:
        """Components of which it cannot be said."""
        return self.having(Answer.UNKNOWN)

    @property
    def answer(self) -> Answer:
        """Yes if any component is affected, else unknown if any is unknown, else no."""
        if self.affected:
            return Answer.YES
        return Answer.UNKNOWN if self.unknown else Answer.NO

    @property
    def summary(self) -> str:
        """The counts in one sentence."""
        return (
            f"Components affected: {len(self.affected)}, unknown: {len(self.unknown)}, "
            f"not affected: {len(self.having(Answer.NO))}."
        )


def _strength(one: Match) -> int:
    return next(rank for rank, reasons in enumerate(_STRENGTH) if one.reason in reasons)


def match_component(component: Component, affected: Sequence[Affected]) -> Match:
    """The strongest answer among the entries of an advisory.

    Args:
        component: From an SBOM.
        affected: The entries of one advisory; with none, nothing is affected.
    """
    answers = [match(component, one) for one in affected]
    if not answers:
        return Match(
            Reason.OTHER_PRODUCT,
            {
                "component": _label(component.name, component.version),
                "product": "any product of the advisory",
            },
        )
    return min(answers, key=_strength)


def match_sbom(sbom: Sbom, affected: Sequence[Affected]) -> SbomMatch:
    """Ask which components of an SBOM an advisory means.

    Args:
        sbom: From `proofhouse.formats.read_sbom`.
        affected: The entries of one advisory.
    """
    components = ((sbom.subject,) if sbom.subject else ()) + sbom.components
    return SbomMatch(tuple(ComponentMatch(one, match_component(one, affected)) for one in components))
