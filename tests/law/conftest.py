# SPDX-License-Identifier: Apache-2.0
"""The law book of this checkout, loaded once for each worker."""

from pathlib import Path

import pytest

from proofhouse.law import LawBook
from proofhouse.law.reading import Documents, read_directory

LAW = Path(__file__).resolve().parents[2] / "law"


@pytest.fixture(scope="session")
def documents() -> Documents:
    return read_directory(LAW)


@pytest.fixture(scope="session")
def book(documents: Documents) -> LawBook:
    return LawBook.from_documents(documents)
