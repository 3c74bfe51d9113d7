"""What tests share: stand-ins that say what they fake, small real data sets, models and servers, and the command."""
