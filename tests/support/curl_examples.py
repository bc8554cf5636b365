"""Four curl commands that scripts used before Podesk existed, and that must keep working."""

# Verbatim. Host, token and name are placeholders.
CREATE = r"""curl -X POST http://vnc-api.example.com/api/v1/pods/create \
  -H "X-User-Token: your-token-here" \
  -H "Content-Type: application/json" \
  -d '{"resource_quota": {"cpu": "2", "memory": "4Gi"}}'"""
STATUS = r"""curl http://vnc-api.example.com/api/v1/pods/vnc-user-12345 \
  -H "X-User-Token: your-token-here" """
LOGS = r"""curl http://vnc-api.example.com/api/v1/pods/vnc-user-12345/logs \
  -H "X-User-Token: your-token-here" """
DELETE = r"""curl -X DELETE http://vnc-api.example.com/api/v1/pods/vnc-user-12345 \
  -H "X-User-Token: your-token-here" """
