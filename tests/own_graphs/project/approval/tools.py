"""What the agent can do once it may."""


def send_mail(to: str) -> str:
    return f"sent to {to}"
