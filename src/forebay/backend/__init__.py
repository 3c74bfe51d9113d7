"""What both backends share: the verbs that this machine and a cluster offer, and the words they answer in."""
