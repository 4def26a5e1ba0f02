"""Verifies a webhook, given as JSON on standard input, with the Standard Webhooks library as it is on PyPI."""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

given = json.load(sys.stdin)
webhook = Webhook(given["secret"])
webhook.verify(given["body"], given["headers"])
try:
    webhook.verify(given["body"] + " ", given["headers"])
except WebhookVerificationError:
    sys.exit(0)
sys.exit("another body passes, too")
