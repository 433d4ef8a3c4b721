# SPDX-License-Identifier: Apache-2.0
"""Sources in, `site-log` out."""
