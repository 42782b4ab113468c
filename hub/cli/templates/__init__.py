"""What `hubbub plugin new` writes: one working plugin of each kind, named `sample`."""
