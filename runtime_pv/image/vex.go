package image

// vexLen returns the length of a VEX or EVEX instruction, which x86asm does not
// decode, or of an ADX instruction; 0 for anything else (Intel SDM 2A, 2.3 and
// 2.7). Only the length matters here: it tells data of an instruction from the
// next instruction.
func vexLen(code []byte) int {
	i := 0
	for i < len(code) && (code[i] == 0x66 || code[i] == 0xf2 || code[i] == 0xf3 || code[i] >= 0x64 && code[i] <= 0x67) {
		i++
	}
	if i >= len(code) {
		return 0
	}
	var opMap byte
	switch c := code[i]; {
	case c == 0xc5 && i+2 < len(code):
		opMap, i = 1, i+2
	case c == 0xc4 && i+3 < len(code):
		opMap, i = code[i+1]&0x1f, i+3
	case c == 0x62 && i+4 < len(code):
		opMap, i = code[i+1]&0x07, i+4
	default:
		return legacy(code, i)
	}
	op := code[i]
	i++
	if opMap == 1 && op == 0x77 { // VZEROUPPER has no ModRM
		return i
	}
	n := modrmLen(code[i:])
	if n == 0 {
		return 0
	}
	return fits(code, i+n+immediate(opMap, op))
}

// immediate returns the size of the immediate of an opcode in a VEX map.
func immediate(opMap, op byte) int {
	if opMap == 3 {
		return 1
	}
	if opMap == 1 && (op >= 0x70 && op <= 0x73 || op == 0xc2 || op >= 0xc4 && op <= 0xc6) {
		return 1
	}
	return 0
}

// legacy handles [REX] 0F 38 /r, among them ADCX and ADOX, and 0F 3A /r ib, among
// them SHA1RNDS4.
func legacy(code []byte, i int) int {
	if code[i]&0xf0 == 0x40 {
		i++
	}
	if i+3 >= len(code) || code[i] != 0x0f || code[i+1] != 0x38 && code[i+1] != 0x3a {
		return 0
	}
	imm := 0
	if code[i+1] == 0x3a {
		imm = 1
	}
	n := modrmLen(code[i+3:])
	if n == 0 {
		return 0
	}
	return fits(code, i+3+n+imm)
}

// modrmLen returns the length of ModRM, SIB and displacement (Intel SDM 2A,
// table 2-2).
func modrmLen(code []byte) int {
	if len(code) == 0 {
		return 0
	}
	mod, rm, n := code[0]>>6, code[0]&7, 1
	if mod == 3 {
		return n
	}
	if rm == 4 {
		if len(code) < 2 {
			return 0
		}
		n++
		if mod == 0 && code[1]&7 == 5 {
			return n + 4
		}
	}
	switch {
	case mod == 1:
		return n + 1
	case mod == 2, mod == 0 && rm == 5:
		return n + 4
	}
	return n
}

func fits(code []byte, n int) int {
	if n > len(code) {
		return 0
	}
	return n
}
