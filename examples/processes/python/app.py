"""A function in Python, by the ready-made runtime: counts the words of the text that is posted."""

import base64
from collections import Counter


def text_of(event):
    body = event.get("body", "")
    # What is neither text nor JSON comes in base64: also the form that `curl -d` says it sends.
    return base64.b64decode(body).decode(errors="replace") if event["isBase64Encoded"] else body


def handle(event, context):
    words = text_of(event).lower().split()
    if not words:
        return {"statusCode": 400, "body": "Post a text.\n", "headers": {"content-type": "text/plain"}}
    return {"words": len(words), "most": Counter(words).most_common(3)}
