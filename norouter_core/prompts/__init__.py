"""What the exec commands ask: passwords, passphrases, codes, and whether a host key is right.

ssh and sudo run `askpass` for each question. It talks to a `PromptServer`, and `Prompts` decides
who is asked, one question at a time.
"""
