# SPDX-License-Identifier: Apache-2.0
"""The whole chain in one terminal, with an embedded broker and database."""
