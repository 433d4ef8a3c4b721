# SPDX-License-Identifier: Apache-2.0
"""The research tier: noise, and what is made of published cells."""
