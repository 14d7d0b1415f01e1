"""headrace: decides where model replicas run across clouds, puts them there and keeps requests flowing."""
