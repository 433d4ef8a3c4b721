# SPDX-License-Identifier: Apache-2.0
"""Reruns the figures that the documents print."""
