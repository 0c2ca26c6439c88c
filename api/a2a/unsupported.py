"""What is not offered over A2A: push notifications. Runs have webhooks, signed and tried again, for that."""

from typing import Any

from a2a.server.context import ServerCallContext
from a2a.types import PushNotificationNotSupportedError

_INSTEAD = "push notifications are not offered; subscribe to the task, or ask for it again"


class NoPushNotifications:
    async def on_create_task_push_notification_config(self, params: Any, context: ServerCallContext) -> Any:
        raise PushNotificationNotSupportedError(_INSTEAD)

    async def on_get_task_push_notification_config(self, params: Any, context: ServerCallContext) -> Any:
        raise PushNotificationNotSupportedError(_INSTEAD)

    async def on_list_task_push_notification_configs(self, params: Any, context: ServerCallContext) -> Any:
        raise PushNotificationNotSupportedError(_INSTEAD)

    async def on_delete_task_push_notification_config(self, params: Any, context: ServerCallContext) -> None:
        raise PushNotificationNotSupportedError(_INSTEAD)
