# SPDX-License-Identifier: Apache-2.0
"""Reports for operators: pure text and figures from what was told."""
