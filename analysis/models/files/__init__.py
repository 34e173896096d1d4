"""Where weights come from: folders, packages, the hub, conversions."""
