# SPDX-License-Identifier: Apache-2.0
"""WSGI entry of a house."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proofhouse.server.settings")
application = get_wsgi_application()
