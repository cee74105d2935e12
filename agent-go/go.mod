module norouter/agent

go 1.19
