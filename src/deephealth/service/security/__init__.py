"""Who may do what: access modes, roles, accounts, and the layers between the network and the endpoints. See docs/security.md."""
