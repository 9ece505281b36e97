"""Proofhouse: pre-release cyber review of frontier models, and the clearinghouse next door."""

__version__ = "0.1.0"
