//! CRC-32 of AUTOSAR E2E profile 4 (polynomial 0xF4ACFB13, reflected), sixteen bytes at a time.

const POLYNOMIAL_REFLECTED: u32 = 0xF4AC_FB13_u32.reverse_bits();

const TABLES: [[u32; 256]; 16] = {
    let mut tables = [[0u32; 256]; 16];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL_REFLECTED } else { crc >> 1 };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut t = 1;
    while t < 16 {
        let mut i = 0;
        while i < 256 {
            let previous = tables[t - 1][i];
            tables[t][i] = (previous >> 8) ^ tables[0][(previous & 0xff) as usize];
            i += 1;
        }
        t += 1;
    }
    tables
};

/// CRC-32 P4 of `bytes`; the check value of `"123456789"` is `0x1697d06a` (AUTOSAR CRC library, 2022).
#[must_use]
pub fn crc32_p4(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        let mut next = 0;
        for (i, byte) in block.iter().enumerate() {
            let byte = if i < 4 { byte ^ (crc >> (8 * i)) as u8 } else { *byte };
            next ^= TABLES[15 - i][byte as usize];
        }
        crc = next;
    }
    for byte in rest {
        crc = (crc >> 8) ^ TABLES[0][((crc ^ u32::from(*byte)) & 0xff) as usize];
    }
    !crc
}
