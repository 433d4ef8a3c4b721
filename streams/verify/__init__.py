# SPDX-License-Identifier: Apache-2.0
"""Whether the database holds what the log says."""
