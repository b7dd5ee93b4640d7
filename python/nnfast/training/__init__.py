"""How models are trained, evaluated and used."""
