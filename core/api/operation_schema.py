"""Describe the views to drf-spectacular, with the names and examples that they declare."""

from typing import Any

from drf_spectacular.openapi import AutoSchema

from core.api.operations import Node, Operation


class OperationSchema(AutoSchema):
    def get_operation(self, *args: Any, **kwargs: Any) -> Node | None:
        described = super().get_operation(*args, **kwargs)
        view: Any = self.view
        operation = getattr(view, "operations", {}).get(self.method)
        if described and operation:
            described["operationId"], described["tags"] = operation.name, [view.tag]
            described["summary"] = operation.summary
            _add_examples(described, operation)
            for status in operation.refused:
                described["responses"][str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
        return described


def _add_examples(described: Node, operation: Operation) -> None:
    places = {"": described.get("requestBody", {})} | described["responses"]
    examples = {"": operation.sent} | {str(status): example for status, example in operation.answered.items()}
    for place, example in examples.items():
        content = places.get(place, {}).get("content", {}).get("application/json", {})
        if example is not None and content and "examples" not in content:
            content["example"] = example
