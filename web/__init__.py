"""Pages and JSON API: server-rendered, Chinese and English, nothing loaded from another host."""
