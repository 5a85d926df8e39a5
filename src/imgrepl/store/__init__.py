"""Object stores behind small protocols, one per power."""
