"""Every byte that outlives a release: keys, headers, packs, manifests, records."""
