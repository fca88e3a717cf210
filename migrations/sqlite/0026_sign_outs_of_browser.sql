-- Whoever knocks at any door with the cookie of a session that is over is led back to its
-- sign-out: looked up by the cookie's hash, however many sign-outs strangers began.
CREATE INDEX sign_outs_of_browser ON sign_outs (browser);
