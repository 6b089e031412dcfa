"""Who is calling: tokens, principals and what a method's access option allows. No transport lives here."""
