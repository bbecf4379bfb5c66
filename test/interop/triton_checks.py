# What a client of Triton sees of the server, through tritonclient from PyPI: `python triton_checks.py CHECK TARGET`.
"""Each check prints one JSON object; what it must hold is for the test that runs it to say."""

import json
import queue
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

Answers = "queue.Queue[tuple[Any, InferenceServerException | None]]"


def texts(name: str, values: list[str]) -> triton.InferInput:
    tensor = triton.InferInput(name, [len(values), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[value.encode()] for value in values], dtype=np.object_))
    return tensor


def decoded(result: triton.InferResult, name: str) -> list[str]:
    return [value.decode() for value in result.as_numpy(name).reshape(-1)]


def failure(call: Any, *args: Any, **kwargs: Any) -> list[str]:
    try:
        call(*args, **kwargs)
    except InferenceServerException as error:
        return [str(error.status()), error.message()]
    return ["OK", ""]


def health(client: triton.InferenceServerClient) -> dict[str, Any]:
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model": client.is_model_ready("reader"),
        "unknown": failure(client.is_model_ready, "nobody"),
    }


def metadata(client: triton.InferenceServerClient) -> dict[str, Any]:
    return {
        "server": client.get_server_metadata(as_json=True),
        "reader": client.get_model_metadata("reader", as_json=True),
        "config": client.get_model_config("story", as_json=True)["config"],
    }


def classify(client: triton.InferenceServerClient) -> dict[str, Any]:
    result = client.infer("reader", [texts("text", ["the old bridge", "a river of stone"])], request_id="7")
    probabilities = result.as_numpy("probabilities")
    return {
        "id": result.get_response().id,
        "labels": decoded(result, "label"),
        "dtype": str(probabilities.dtype),
        "probabilities": probabilities.tolist(),
    }


def generate(client: triton.InferenceServerClient) -> dict[str, Any]:
    wanted = [triton.InferRequestedOutput("text_output"), triton.InferRequestedOutput("finish_reason")]
    parameters = {"max_tokens": 12, "temperature": 0.0, "top_k": 5, "seed": 3}
    result = client.infer("story", [texts("text_input", ["Once upon a time", "The dog"])], outputs=wanted, parameters=parameters, timeout=60_000_000)
    return {"texts": decoded(result, "text_output"), "reasons": decoded(result, "finish_reason"), "absent": result.as_numpy("num_input_tokens") is None}


def stream(client: triton.InferenceServerClient) -> dict[str, Any]:
    answers: Answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    client.async_stream_infer("story", [texts("text_input", ["Once upon a time"])], request_id="a", enable_empty_final_response=True, parameters={"max_tokens": 12})
    client.async_stream_infer("nobody", [texts("text_input", ["x"])], request_id="b")
    client.async_stream_infer("reader", [texts("text", ["a river"])], request_id="c")
    pieces, finals, errors = [], set(), []
    while len(finals) < 2 or not errors:
        result, error = answers.get(timeout=60)
        if error is not None:
            errors.append([str(error.status()), error.message()])
            continue
        response = result.get_response()
        if response.parameters["triton_final_response"].bool_param:
            finals.add(response.id)
        if response.id == "a" and len(response.outputs) > 0:
            pieces += decoded(result, "text_output")
    client.stop_stream()
    return {"pieces": pieces, "finals": sorted(finals), "errors": errors}


def cancel(client: triton.InferenceServerClient) -> dict[str, Any]:
    answers: Answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    client.async_stream_infer("story", [texts("text_input", ["Once"])], parameters={"max_tokens": 400, "ignore_eos": True})
    first, _ = answers.get(timeout=60)
    client.stop_stream(cancel_requests=True)
    error = None
    while error is None:
        _, error = answers.get(timeout=60)
    return {"first": first.as_numpy("text_output").size, "status": str(error.status())}


def repository(client: triton.InferenceServerClient) -> dict[str, Any]:
    def state() -> list[str]:
        models = client.get_model_repository_index(as_json=True)["models"]
        [found] = [model for model in models if model["name"] == "spare"]
        return [found.get("state", ""), found.get("reason", "")]

    states = [state()]
    client.load_model("spare")
    states.append(state())
    client.unload_model("spare")
    states.append(state())
    refused = failure(client.infer, "spare", [texts("text", ["x"])])
    ready = client.is_model_ready("spare")
    client.load_model("spare")
    client.infer("spare", [texts("text", ["the"])])
    return {"states": states, "refused": refused, "ready": ready, "unknown": failure(client.load_model, "nobody"), "config": failure(client.load_model, "spare", config="{}")}


def statistics(client: triton.InferenceServerClient) -> dict[str, Any]:
    client.infer("spare", [texts("text", ["the", "old", "bridge"])])
    failure(client.infer, "spare", [texts("wrong", ["x"])])
    return client.get_inference_statistics("spare", as_json=True)["model_stats"][0]


def errors(client: triton.InferenceServerClient) -> dict[str, Any]:
    def number(shape: list[int]) -> triton.InferInput:
        tensor = triton.InferInput("text", shape, "FP32")
        tensor.set_data_from_numpy(np.zeros(shape, dtype=np.float32))
        return tensor

    wide = triton.InferInput("text", [1, 2], "BYTES")
    wide.set_data_from_numpy(np.array([[b"a", b"b"]], dtype=np.object_))
    text, prompt = texts("text", ["x"]), texts("text_input", ["x"])
    return {
        "model": failure(client.infer, "nobody", [text]),
        "version": failure(client.infer, "reader", [text], model_version="99"),
        "bad version": failure(client.infer, "reader", [text], model_version="one"),
        "shape": failure(client.infer, "reader", [wide]),
        "dtype": failure(client.infer, "reader", [number([1, 1])]),
        "output": failure(client.infer, "reader", [text], outputs=[triton.InferRequestedOutput("nothing")]),
        "batch": failure(client.infer, "reader", [texts("text", ["x"] * 65)]),
        "nan": failure(client.infer, "story", [prompt], parameters={"temperature": float("nan")}),
        "range": failure(client.infer, "story", [prompt], parameters={"top_p": 7.0}),
        "parameter": failure(client.infer, "story", [prompt], parameters={"colour": "red"}),
        "size": failure(client.infer, "reader", [texts("text", ["x" * 9_000_000])]),
        "deadline": failure(client.infer, "story", [prompt], parameters={"max_tokens": 400, "ignore_eos": True}, client_timeout=0.05),
        "memory": failure(client.register_system_shared_memory, "region", "/region", 64),
        "trace": [client.get_trace_settings(as_json=True)["settings"]["trace_level"]["value"][0], ""],
        "log": [str(client.get_log_settings(as_json=True)["settings"]["log_error"]["bool_param"]), ""],
    }


def main() -> None:
    checks = {check.__name__: check for check in (health, metadata, classify, generate, stream, cancel, repository, statistics, errors)}
    client = triton.InferenceServerClient(sys.argv[2])
    print(json.dumps(checks[sys.argv[1]](client)))
    client.close()


main()
