# SPDX-License-Identifier: Apache-2.0
"""One module per external format: bytes in, readings and refusals out."""
