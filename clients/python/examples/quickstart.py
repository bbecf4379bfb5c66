# The main job in one program: import, halve, distill, measure, generate, export.
"""Usage: python quickstart.py MODEL_FOLDER TRAIN_TEXT HELD_OUT_TEXT [--server HOST:PORT] [--steps N] [--out FOLDER]

The folder and the texts are paths on the machine where the server runs; FOLDER is made on this one.
"""

from __future__ import annotations

import argparse
import sys

import athanor


def main() -> int:
    """Runs the job and prints what it did; the exit code is 1 when the server refuses."""
    parser = argparse.ArgumentParser(description="Halve a language model, distill it back and measure it.")
    parser.add_argument("model", help="Hugging Face folder on the server")
    parser.add_argument("train", help="text to distill on: .txt or .jsonl, either gzipped")
    parser.add_argument("held_out", help="text to measure on; never the same")
    parser.add_argument("--server", default="127.0.0.1:8001")
    parser.add_argument("--steps", type=int, default=100, help="distillation steps")
    parser.add_argument("--out", help="export the result to this folder")
    arguments = parser.parse_args()
    try:
        run(arguments)
    except athanor.AthanorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Does the work of `main`."""
    with athanor.connect(arguments.server) as client:
        client.wait_until_ready()
        teacher = client.models.import_(arguments.model, name="teacher", replace=True)
        print(f"{teacher.name}: {teacher.architecture}, {teacher.logical_parameters:,} parameters")

        recipe = {"steps": [{"lowRank": {"ratio": 0.5, "method": "whitened"}}]}
        compression = client.compress("teacher", name="half", recipe=recipe, data=arguments.train, replace=True)
        half = compression.wait().model

        training = client.distill("half", teacher="teacher", data=arguments.train, name="student", steps=arguments.steps, replace=True)
        student = training.wait().model

        print(f"\n{'model':<10}{'stored bytes':>16}{'bits per byte':>16}{'same top-1':>12}")
        for model in (teacher, half, student):
            report = client.evaluate(model.name, teacher="teacher", data=arguments.held_out, latency=False).wait(progress=False)
            agreement = "" if report.top1_agreement is None else f"{report.top1_agreement:.1%}"
            print(f"{model.name:<10}{report.stored_bytes:>16,}{report.bits_per_byte:>16.4f}{agreement:>12}")

        prompt = "The city of"
        print(f"\n{prompt}", end="")
        for piece in client.generate("student", prompt, max_tokens=40):
            print(piece, end="", flush=True)
        print()

        if arguments.out:
            print(f"exported to {client.models.export('student', arguments.out)}")


if __name__ == "__main__":
    sys.exit(main())
