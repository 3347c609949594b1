local file <close> = assert(io.open(arg[1], "rb"))
print(select(2, file:read "a":gsub("/Type%s*/Page[^s]", "")))
