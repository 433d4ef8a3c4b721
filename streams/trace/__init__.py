# SPDX-License-Identifier: Apache-2.0
"""Following one sensor through the topics that operations may read."""
