"""The tabs, the list of hosts, and the detail pane."""
