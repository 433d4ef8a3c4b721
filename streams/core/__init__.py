# SPDX-License-Identifier: Apache-2.0
"""The fold: pure, no I/O, no wall clock."""
