"""What tests share: stand-ins that say what they fake, small real datasets, models and servers, and the command."""
