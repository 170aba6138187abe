"""A function in Python, by the ready-made runtime: counts the words of the text that is posted."""

from collections import Counter


def handle(event, context):
    words = event.get("body", "").lower().split()
    if not words:
        return {"statusCode": 400, "body": "Post a text.\n", "headers": {"content-type": "text/plain"}}
    return {"words": len(words), "most": Counter(words).most_common(3)}
