# SPDX-License-Identifier: Apache-2.0
"""The whole chain, killed and frozen at random, against one undisturbed fold of the same log."""
