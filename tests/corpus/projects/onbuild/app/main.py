import os

print("channel", os.environ["CHANNEL"], sorted(os.listdir(".")))
