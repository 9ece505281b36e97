# SPDX-License-Identifier: Apache-2.0
"""CycloneDX SBOMs from strangers."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.corpus import needs_corpus, tar_files
from proofhouse.formats import Component, FormatError, SbomError, SbomLimits, SchemaError, read_sbom


def bom(*components: dict[str, Any], version: str = "1.6", **more: Any) -> bytes:
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "version": 1,
        "components": list(components),
    }
    return json.dumps(document | more).encode()


def part(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "library", "name": name, "version": "1.0", **more}


@pytest.mark.parametrize("version", ["1.4", "1.5", "1.6"])
def test_components_are_read_with_what_identifies_them(version: str) -> None:
    sbom = read_sbom(
        bom(
            part(
                "libxml2",
                purl="pkg:deb/debian/libxml2@2.9.14",
                group="gnome",
                supplier={"name": "Debian"},
                **{"bom-ref": "ref-1"},
            ),
            version=version,
        )
    )
    assert sbom.spec_version == version
    assert sbom.components == (
        Component("libxml2", "1.0", "pkg:deb/debian/libxml2@2.9.14", "ref-1", "Debian", "gnome"),
    )


def test_nested_components_follow_their_parent() -> None:
    sbom = read_sbom(bom(part("a", components=[part("b", components=[part("c")])]), part("d")))
    assert [component.name for component in sbom.components] == ["a", "b", "c", "d"]


def test_the_described_product_is_kept_apart() -> None:
    sbom = read_sbom(bom(part("a"), metadata={"component": part("product", components=[part("inside")])}))
    assert sbom.subject is not None
    assert sbom.subject.name == "product"
    assert [component.name for component in sbom.components] == ["inside", "a"]


def test_a_component_without_a_version_has_an_empty_one() -> None:
    sbom = read_sbom(bom({"type": "library", "name": "a"}))
    assert sbom.components[0].version == ""


def nested(depth: int) -> dict[str, Any]:
    component = part("leaf")
    for _ in range(depth - 1):
        component = part("box", components=[component])
    return component


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "not an object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"a": ' + b"[" * 100_000, "nested deeper"),
        (b'{"a": ' + b"[" * 80 + b"]" * 80 + b"}", "nested deeper"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"spdxVersion": "SPDX-2.3"}', "/bomFormat"),
        (bom(version="1.3"), "/specVersion"),
        (bom(version="9"), "/specVersion"),
        (bom({"type": "library"}), "/components/0.*'name'"),
        (bom(part("a", type="gadget")), "/components/0/type"),
        (bom(nested(25)), "nested deeper than 24"),
    ],
)
def test_what_is_no_sbom_is_refused_in_one_line(text: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason) as refused:
        read_sbom(text)
    assert "\n" not in str(refused.value)


def test_limits_hold() -> None:
    text = bom(part("a"), part("b"))
    with pytest.raises(SbomError, match="more than 1 components"):
        read_sbom(text, SbomLimits(components=1))
    with pytest.raises(FormatError, match="at most 10 are read"):
        read_sbom(text, SbomLimits(size_bytes=10))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, JSON)
@settings(max_examples=50, deadline=None)
def test_odd_documents_raise_one_type_of_error_only(components: Any, metadata: Any) -> None:
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "components": components,
        "metadata": metadata,
    }
    with suppress(FormatError):
        read_sbom(json.dumps(document).encode())


@needs_corpus
def test_all_public_boms_are_read_or_refused_for_their_version() -> None:
    components = 0
    for name, text in tar_files("boms.tar.zst"):
        version = json.loads(text).get("specVersion")
        if version in {"1.2", "1.3"}:
            with pytest.raises(SbomError, match="/specVersion"):
                read_sbom(text)
            continue
        try:
            components += len(read_sbom(text).components)
        except SchemaError as error:
            pytest.fail(f"{name}: {error}")
    assert components > 2000
