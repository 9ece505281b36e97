# SPDX-License-Identifier: Apache-2.0
"""A seeded corpus of small C and C++ programs with several bugs, and of fixes and fakes whose truth is known."""
