# SPDX-License-Identifier: Apache-2.0
"""The benchmarks measure what they say: their feeds, their answers, their page. No test asserts a time."""
