"""A service of JupyterHub, which decides who comes in; BrainLens asks the hub by OAuth."""

import os

c = get_config()  # noqa: F821
TOKEN = os.environ["BRAINLENS_HUB_TOKEN"]  # openssl rand -hex 32
HUB = os.environ["JUPYTERHUB_PUBLIC_URL"]  # https://hub.lab.example.org

c.JupyterHub.services = [
    {
        "name": "brainlens",
        "url": "http://127.0.0.1:5006",
        "api_token": TOKEN,
        "oauth_client_id": "service-brainlens",
        "oauth_redirect_uri": f"{HUB}/services/brainlens/app",
        "oauth_no_confirm": True,
        "command": [
            "brainlens",
            "serve",
            "--login",
            "oauth",
            "--https",
            "--prefix",
            "/services/brainlens",
            "--host",
            HUB.split("://")[1],
        ],
        "environment": {
            "BRAINLENS_HOME": "/srv/brainlens/home",
            "PANEL_OAUTH_PROVIDER": "generic",
            "PANEL_OAUTH_KEY": "service-brainlens",
            "PANEL_OAUTH_SECRET": TOKEN,
            "PANEL_OAUTH_AUTHORIZE_URL": f"{HUB}/hub/api/oauth2/authorize",
            "PANEL_OAUTH_TOKEN_URL": f"{HUB}/hub/api/oauth2/token",
            "PANEL_OAUTH_USER_URL": f"{HUB}/hub/api/user",
            "PANEL_OAUTH_ENCRYPTION": os.environ.get("PANEL_OAUTH_ENCRYPTION", ""),
        },
    }
]
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", "access:services!service=brainlens"]}
]
