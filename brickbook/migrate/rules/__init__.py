"""The rules on dicts, one file a topic: from a part of an old config to a part of a new one."""
