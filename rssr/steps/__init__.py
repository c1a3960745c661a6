"""What the rules do: train, upscale, score, profile, audit, look inside. Images and tensors live here."""
