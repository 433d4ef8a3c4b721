# SPDX-License-Identifier: Apache-2.0
"""The stream processor: a pure core (`streams.core`) and the edges around it."""
