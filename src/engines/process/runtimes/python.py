"""The ready-made runtime for Python: loads `module.function` and answers events, one JSON document a line.

What handlers print goes to the log. An error is answered as AWS writes it; it does not end the runtime.
"""

import importlib
import json
import os
import sys
import traceback


class Context:
    """What a handler is given beside the event."""

    def __init__(self):
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])


def main():
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)
    sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], "/opt/python"]
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    handler = getattr(importlib.import_module(module.replace("/", ".")), name)
    context = Context()
    for line in sys.stdin.buffer:
        try:
            answer = json.dumps(handler(json.loads(line), context))
        except Exception as error:
            traceback.print_exc()
            answer = json.dumps(
                {
                    "errorType": type(error).__name__,
                    "errorMessage": str(error),
                    "stackTrace": traceback.format_tb(error.__traceback__),
                }
            )
        answers.write(answer.encode() + b"\n")


main()
