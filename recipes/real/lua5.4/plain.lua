local c <const> = 41
print(c + 1)
