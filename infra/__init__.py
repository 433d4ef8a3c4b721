# SPDX-License-Identifier: Apache-2.0
"""What a deployment needs beside the code: migrations, city files, service settings."""
