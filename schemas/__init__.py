# SPDX-License-Identifier: Apache-2.0
"""What crosses a boundary: pure functions between bytes and typed values. Imports nothing of ours."""
