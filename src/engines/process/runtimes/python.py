"""The ready-made runtime for Python: loads `module.function` and calls it for each event.

Events come as JSON documents, one a line, after a line that says whether the handler was loaded; or, with `runtime-api` as its argument, from AWS's Runtime API, which says more of
each of them. What handlers print goes to the log. An error is answered as AWS writes it; it does not end the runtime.
"""

import importlib
import json
import os
import sys
import time
import traceback


class Client:
    """What an app says of itself; members as AWS names them."""

    NAMES = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]

    def __init__(self, said):
        for name in self.NAMES:
            setattr(self, name, said.get(name))


class ClientContext:
    def __init__(self, said):
        self.custom = said.get("custom")
        self.env = said.get("env")
        self.client = Client(said["client"]) if isinstance(said.get("client"), dict) else None


class Identity:
    """Nobody has one here."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class Context:
    """What a handler is given beside the event."""

    def __init__(self, headers={}):
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.aws_request_id = headers.get("Lambda-Runtime-Aws-Request-Id")
        self.invoked_function_arn = headers.get("Lambda-Runtime-Invoked-Function-Arn")
        said = json.loads(headers.get("Lambda-Runtime-Client-Context") or "null")
        self.client_context = ClientContext(said) if isinstance(said, dict) else None
        self.identity = Identity()
        self.tenant_id = None
        self._deadline = int(headers.get("Lambda-Runtime-Deadline-Ms") or 0)

    def log(self, message):
        sys.stderr.write(f"{message}\n")

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000)) if self._deadline else None


def error_of(error):
    traceback.print_exc()
    return {
        "errorType": type(error).__name__,
        "errorMessage": str(error),
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def load():
    sys.stdout.reconfigure(line_buffering=True)
    packages = "/opt/python/lib/python%d.%d/site-packages" % sys.version_info[:2]
    sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], packages, "/opt/python"]
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    return getattr(importlib.import_module(module.replace("/", ".")), name)


def serve_lines():
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def say(value):
        answers.write(value.encode() + b"\n")

    try:
        handler = load()
    except Exception as error:
        say(json.dumps(error_of(error)))
        sys.exit(1)
    say("null")
    context = Context()
    for line in sys.stdin.buffer:
        try:
            answer = json.dumps(handler(json.loads(line), context))
        except Exception as error:
            answer = json.dumps(error_of(error))
        say(answer)


def serve_runtime_api():
    import http.client

    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def call(method, path, value=None):
        api.request(method, "/2018-06-01/runtime/" + path, value)
        answer = api.getresponse()
        return answer.headers, answer.read()

    try:
        handler = load()
    except Exception as error:
        call("POST", "init/error", json.dumps(error_of(error)))
        sys.exit(1)
    while True:
        headers, event = call("GET", "invocation/next")
        at = "invocation/" + headers["Lambda-Runtime-Aws-Request-Id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id") or ""
        try:
            answer = json.dumps(handler(json.loads(event), Context(headers)))
        except Exception as error:
            call("POST", at + "/error", json.dumps(error_of(error)))
        else:
            call("POST", at + "/response", answer)


if sys.argv[1:] == ["runtime-api"]:
    serve_runtime_api()
else:
    serve_lines()
